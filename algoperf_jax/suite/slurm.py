"""A plan as a Slurm array script: one task per trial that has not ended yet."""

import math
import shlex
from collections.abc import Sequence

from algoperf_jax.suite.supervision import Job

EVALUATION_FACTOR = 2.0
"""Wall time of a trial over its budget, beside the grace, that the script asks Slurm for."""


def script(
    jobs: Sequence[Job],
    python: str,
    *,
    name: str,
    at_once: int | None,
    gpus: int | None,
    cpus: int | None,
) -> str:
    """The script, for `sbatch FILE`.

    Each task runs `train.py` itself. After a preemption Slurm queues the task again, and it resumes
    its trial. After the loss of a node or a kill for memory, submit the script again: unfinished
    trials go on from their checkpoints, and trials that have ended stay as they are.

    Args:
      jobs: those of trials that have not ended; at least one.
      python: the interpreter.
      name: of the Slurm job.
      at_once: how many tasks run at once, None for as many as there is room for.
      gpus, cpus: requested for each task; None for no request.
    """
    most = max(EVALUATION_FACTOR * job.budget_seconds + job.grace_seconds for job in jobs)
    logs = jobs[0].log.parent
    limit = f"%{at_once}" if at_once else ""
    asked = [
        f"--job-name={name}",
        f"--array=0-{len(jobs) - 1}{limit}",
        f"--time={math.ceil(most / 60)}",
        f"--output={logs / 'slurm_%A_%a.log'}",
        "--requeue",
        "--open-mode=append",
        *([f"--gpus-per-node={gpus}"] if gpus else []),
        *([f"--cpus-per-task={cpus}"] if cpus else []),
    ]
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {word}" for word in asked),
        "#SBATCH --nodes=1 --ntasks=1",
        "",
        "commands=(",
        *(f"  {shlex.quote(shlex.join([python, *job.command]))}" for job in jobs),
        ")",
        "folders=(",
        *(f"  {shlex.quote(str(job.folder))}" for job in jobs),
        ")",
        'if [ -e "${folders[$SLURM_ARRAY_TASK_ID]}/outcome.json" ]; then',
        '  echo "this trial has ended already"',
        "  exit 0",
        "fi",
        'eval "exec ${commands[$SLURM_ARRAY_TASK_ID]}"',
        "",
    ]
    return "\n".join(lines)
