"""What a job is: its file read and checked, its batches and DeepSpeed settings worked out.

Only `deepspeed_keys` imports torch, with DeepSpeed and when it is called: a wrong file is refused
within half a second.
"""
