"""zedops: GitOps for stateful servers on plain Docker hosts."""

__version__ = "0.1.0"
