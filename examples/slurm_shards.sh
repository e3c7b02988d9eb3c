#!/bin/bash
# One figure for a kind of machine: each task of this array measures some replicates of every case, on a node
# for itself. Submit it, then unite what the tasks left:
#
#   sbatch examples/slurm_shards.sh --suite smoke --replicates 4
#   convbench merge runs/slurm/shard* --out runs/slurm/all && convbench report runs/slurm/all
#
# Which of many machines is slow, `convbench fleet run --executor slurm` says; it needs no script.
#SBATCH --job-name=convbench
#SBATCH --array=0-3
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --time=30
#SBATCH --no-requeue
#SBATCH --output=convbench-%a.log
set -euo pipefail

# What sets a node up at this site: modules, a virtual environment.
# module load cuda
# source ~/convbench/bin/activate

out=${OUT:-runs/slurm}
exec convbench run "$@" --no-ceilings --budget 20m \
    --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
    --node-name "$SLURMD_NODENAME" \
    --out "$out/shard$SLURM_ARRAY_TASK_ID"
