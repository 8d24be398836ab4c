#!/bin/sh
# Slurm: an array job of sixteen tasks, and a job that joins what they ran. Run it where the results are to be.
set -eu
job=$(sbatch --parsable --requeue --array=1-16 --cpus-per-task=4 <<'TASK'
#!/bin/sh
results=shards/$SLURM_ARRAY_TASK_ID
# A task that was put back into the queue goes on with its run: another one would have the same trials.
if [ -e "$results/latest" ]; then
	harness run --resume latest --results "$results"
else
	harness run --suite quick --trials 320 --seed 20261123 --shard auto --results "$results"
fi
TASK
)
# afterany: also when a task has failed.
sbatch --dependency="afterany:$job" --wrap 'harness merge shards/*/2*-* --html report.html'
