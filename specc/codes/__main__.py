"""`python -m specc.codes` prints docs/errors.md. Writes no file itself."""

from specc.codes import handbook

print(handbook(), end="")
