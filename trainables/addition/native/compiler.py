"""The machine's C++ compiler, and how the kernel is compiled with it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from paretune.errors import Error

KERNEL = Path(__file__).parent / "kernel"

# Listed one by one, instead of -ffast-math: -ffinite-math-only removes tests for NaN,
# and a library that GCC before 13 links with -ffast-math makes the whole process flush small numbers to 0.
FLAGS = (
    "-std=c++20",
    # -O3 takes a second longer, and makes steps 3 to 7 % faster: no gain below some 20,000 steps.
    "-O2",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-signed-zeros",
    "-ffp-contract=fast",
    # A process loads kernels of several shapes, whose functions have the same names.
    "-fvisibility=hidden",
    "-fPIC",
    "-shared",
)

CANDIDATES = ("c++", "g++", "clang++")

TIMEOUT_SECONDS = 600


class CompilerError(Error, RuntimeError):
    """The kernel could not be compiled; the message says why and what to do."""


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler and the processor that it compiles for."""

    path: str
    """Its command, as in a shell; more than one word with CXX="ccache g++"."""
    version: str
    """The first line of its version output."""
    processor: str = "native"
    """The value of -march: ``native``, or the name of an instruction set such as ``x86-64-v3``."""

    def compile(self, sources: Path, target: Path, *, scalar: str = "float") -> None:
        """Compile the kernel in ``sources``, its ``shape.hpp`` included, to the shared library ``target``.

        Raises:
            CompilerError: it failed.
        """
        command = [
            *(*shlex.split(self.path), *FLAGS, f"-march={self.processor}", f"-DPARETUNE_SCALAR={scalar}"),
            *(str(sources / "kernel.cpp"), "-o", str(target)),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CompilerError(f"{self.path} could not compile the kernel: {error}") from error
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if "error" in line] or ["it printed nothing"]
            raise CompilerError(f"{self.path} ({self.version}) could not compile the kernel: {lines[0]}")


@lru_cache(maxsize=1)
def find_compiler() -> Compiler | None:
    """Return the machine's C++ compiler: that of the variable CXX, else the first one found."""
    wanted = os.environ.get("CXX")
    for name in (wanted,) if wanted else CANDIDATES:
        program, *arguments = shlex.split(name)
        path = shutil.which(program)
        if path is not None and (version := _version_of([path, *arguments])) is not None:
            return Compiler(shlex.join([path, *arguments]), version)
    return None


def _version_of(command: list[str]) -> str | None:
    try:
        said = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = said.stdout.splitlines()
    return lines[0] if lines else None


@lru_cache(maxsize=1)
def processor_description() -> str:
    """Return what a build for ``native`` depends on: the processor's name and features."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        import platform

        return f"{platform.machine()} {platform.processor()}"
    wanted = ("model name", "flags", "CPU implementer", "CPU part", "Features")
    found = dict(line.split(":", 1) for line in reversed(lines) if line.startswith(wanted))
    return "\n".join(f"{name.strip()}:{value.strip()}" for name, value in sorted(found.items()))
