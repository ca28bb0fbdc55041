"""How a student is asked: the published headers, or the base model's own chat template.

`contract` is the protocol, `headers` and `template` keep it, `build` chooses between them.
"""
