"""Files with something changed, for the tests of their readers."""

from hypothesis import assume
from hypothesis import strategies as st


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """A file with up to three bytes, lines or spans changed, dropped, doubled or swapped."""
    for _ in range(draw(st.integers(0, 3))):
        assume(data)
        at = draw(st.integers(0, len(data) - 1))
        end = draw(st.integers(at, min(len(data), at + 80)))
        lines = data.split(b"\n")
        line = draw(st.integers(0, len(lines) - 1))
        data = draw(
            st.sampled_from(
                [
                    data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :],
                    data[:at] + data[end:],
                    data[:end] + data[at:],
                    data[:at] + b" " + data[at:],
                    b"\n".join(lines[:line] + lines[line + 1 :]),
                    b"\n".join(lines[: line + 1] + lines[line:]),
                    b"\n".join(sorted(lines)),
                ]
            )
        )
    return data
