"""Real signatures from captures, and what does and does not count for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.signing import sign

# protocol notes 1.6: six from real traffic (AIC), two computed by hand for the older version
VECTORS = """
/mweb/v1/aigc_draft/generate 8.4.0 1789742348 103979f37bb61af3a5a6d0a53f9e5992
/mweb/v1/get_history_by_ids  8.4.0 1789742352 a6def80120c292743fa98f189898e112
/mweb/v1/aigc_draft/generate 8.4.0 1789744838 c735ac6365447728451e5ff3cb15244d
/mweb/v1/get_history_by_ids  8.4.0 1789744874 571a5ba7496c5303a26bcc0d950ad017
/mweb/v1/get_upload_token    8.4.0 1789746355 166eea62cb5dfc9c50fbcd5382d194fe
/mweb/v1/aigc_draft/generate 8.4.0 1790786145 2533662377211f0653b7759901657a92
/mweb/v1/get_history_by_ids  5.8.0 1757737938 117e6bfe04378cca2ef068dc67479561
/mweb/v1/aigc_draft/generate 5.8.0 1757737934 4939ed1766ddd85525fcfe79243a1904
"""


@pytest.mark.parametrize("line", VECTORS.strip().splitlines())
def test_real_vectors(line):
    path, appvr, device_time, expected = line.split()
    assert sign(path, int(device_time), pf="7", appvr=appvr) == expected


@given(st.text(), st.text(min_size=7, max_size=7), st.integers(0, 2**40))
def test_only_the_last_seven_characters_of_the_path_count(start, end, device_time):
    a, b = (sign(path, device_time, pf="7", appvr="8.4.0") for path in (start + end, end))
    assert a == b


def test_everything_else_counts():
    def signed(path="/a/b/generate", at=1, pf="7", appvr="8.4.0", tdid=""):
        return sign(path, at, pf=pf, appvr=appvr, tdid=tdid)

    variants = [signed(), signed(path="/a/b/Generate"), signed(path="/a/b/generatf"), signed(at=2)]
    variants += [signed(pf="3"), signed(appvr="5.8.0"), signed(tdid="1")]
    # `G` is the eighth character from the end
    assert len(set(variants)) == len(variants) - 1
