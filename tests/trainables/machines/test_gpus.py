"""What GPUs could do at most, by their names."""

from __future__ import annotations

import pytest
import torch

from trainables.machines.gpus import peak_flops, peak_flops_of


@pytest.mark.parametrize(
    ("name", "tflops"),
    [
        ("NVIDIA H100 80GB HBM3", 989.0),
        ("NVIDIA H100 PCIe", 756.0),
        ("NVIDIA H100 NVL", 835.5),
        ("NVIDIA H200", 989.0),
        ("NVIDIA H200 NVL", 835.5),
        ("NVIDIA A100-SXM4-40GB", 312.0),
        ("NVIDIA A100-SXM4-80GB", 312.0),
        ("NVIDIA A100-PCIE-40GB", 312.0),
        ("NVIDIA A100 80GB PCIe", 312.0),
        ("A100-SXM4-40GB", 312.0),
        ("NVIDIA L40S", 362.0),
        ("NVIDIA GeForce RTX 4090", 165.2),
        ("NVIDIA GeForce RTX 4080", 97.5),
        ("GeForce RTX 3090", 71.0),
        ("NVIDIA GeForce RTX 3080", 59.5),
    ],
)
def test_a_known_gpu_has_the_peak_of_its_data_sheet(name: str, tflops: float) -> None:
    assert peak_flops_of(name) == pytest.approx(tflops * 1e12)


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4080 SUPER",
        "NVIDIA GeForce RTX 3090 Ti",
        "NVIDIA GeForce RTX 3080 Ti",
        "NVIDIA GeForce RTX 3080 Laptop GPU",
        "NVIDIA GeForce RTX 3080 Ti Laptop GPU",
        "NVIDIA GeForce RTX 5090 D",
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        "NVIDIA A100-SXM-64GB",
        "NVIDIA A100X",
        "NVIDIA L40",
        "NVIDIA GH200 480GB",
    ],
)
def test_a_name_that_begins_like_a_known_one_is_another_gpu(name: str) -> None:
    assert peak_flops_of(name) is None


@pytest.mark.parametrize("name", ["NVIDIA GeForce GTX 1080", "AMD Instinct MI300X", "", "cpu"])
def test_nothing_is_said_of_an_unknown_gpu(name: str) -> None:
    assert peak_flops_of(name) is None


def test_nothing_is_said_of_a_cpu() -> None:
    assert peak_flops(torch.device("cpu")) is None
