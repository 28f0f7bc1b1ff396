"""`moocflix distributed`: the platform as it runs on many machines, every part a process of its own, on one."""
