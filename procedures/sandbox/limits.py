"""What a sandboxed step may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds of processor, bytes of memory, numbers of processes and files, bytes of one file.

    Memory is RLIMIT_DATA: a limit on address space would break Go, Java and Node programs.
    """

    cpu_s: int = 600
    memory_bytes: int = 2 << 30
    processes: int = 128
    files: int = 512
    file_bytes: int = 256 << 20

    @classmethod
    def of(cls, given: Mapping[str, int]) -> Limits:
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in given.items() if name in known})

    def prlimit(self) -> list[str]:
        return [
            "/usr/bin/prlimit",
            f"--cpu={self.cpu_s}:{self.cpu_s + 2}",
            f"--data={self.memory_bytes}",
            f"--nproc={self.processes}",
            f"--nofile={self.files}",
            f"--fsize={self.file_bytes}",
            "--core=0",
            "--",
        ]
