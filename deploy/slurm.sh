#!/usr/bin/env bash
# A search as a Slurm job: a Ray cluster on the job's nodes, and paretune on the first of them.
#
#   sbatch deploy/slurm.sh search_spaces/parameter_cliff.yaml [OPTIONS OF paretune search]
#
# When its time is over or it is preempted, Slurm sends SIGTERM thirty seconds before: trials write their
# checkpoints, the job is queued again, and goes on from its rows. Change the lines below; the folder that it
# is submitted from, with its .venv and its results, must be on a file system that all nodes see.
#SBATCH --job-name=paretune
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@30
set -euo pipefail

if [[ $# -eq 0 ]]; then
  echo "usage: sbatch slurm.sh SPACE_FILE [OPTIONS OF paretune search]" >&2
  exit 2
fi

cd "${SLURM_SUBMIT_DIR:-.}"
export PATH="$PWD/.venv/bin:$PATH"
name="${PARETUNE_NAME:-slurm-${SLURM_JOB_ID:?is given by Slurm}}"
results="${PARETUNE_RESULTS:-results}"
port=$((20000 + SLURM_JOB_ID % 20000))
cores="${SLURM_CPUS_PER_TASK:-1}"
gpus="${SLURM_GPUS_ON_NODE:-0}"

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head="${nodes[0]}"

# One step per node, each with Ray in the foreground: Slurm ends it with the job.
start_ray() { # node, further arguments of ray start
  local node="$1"
  shift
  srun --nodes=1 --ntasks=1 --nodelist="$node" --overlap \
    ray start --block --num-cpus="$cores" --num-gpus="$gpus" --disable-usage-stats "$@" &
}

start_ray "$head" --head --port="$port" --include-dashboard=false
until (: < "/dev/tcp/$head/$port") 2> /dev/null; do sleep 1; done
for node in "${nodes[@]:1}"; do start_ray "$node" --address="$head:$port"; done

if [[ -e "$results/$name/plan.json" ]]; then
  paretune resume "$name" --results "$results" --address "$head:$port" &
else
  paretune search "$@" --name "$name" --results "$results" --address "$head:$port" &
fi
search=$!

given_notice=""
pass_on() {
  given_notice=yes
  kill -TERM "$search" 2> /dev/null || true
}
trap pass_on TERM

# A signal ends `wait`, not the search.
code=0
while true; do
  code=0
  wait "$search" || code=$?
  kill -0 "$search" 2> /dev/null || break
done

# Exit code 130: interrupted, with trials left.
if [[ -n "$given_notice" && $code -eq 130 ]]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
