"""How a run starts, runs its jobs, and ends: `spic run`, a job, Slurm, cards."""
