"""What a list of requests is likely to cost (protocol notes 2.6 and 7)."""

from dreamina_async.quotes import Quote, quote
from dreamina_async.requests import ImageRequest, VideoRequest


def test_known_prices_are_added_up():
    found = quote(
        [
            ImageRequest("a"),  # 4.0 at 2k: 4 each
            ImageRequest("a", model="5.0-pro", count=2),
            VideoRequest("a", model="seedance-2.0-mini"),
        ]
    )
    assert found == Quote(16 + 16 + 24, 0, (16, 16, 24))
    assert str(found) == "about 56 credits for 3 jobs"


def test_a_job_costs_whole_credits_and_at_least_one():
    found = quote(
        [
            ImageRequest("a", resolution="1k", count=1),  # 0.25
            ImageRequest("a", resolution="1k", count=5),  # 1.25
            VideoRequest("a", model="seedance-2.0-mini", duration=8),  # 38.4
        ]
    )
    assert found.prices == (1, 2, 39)
    assert found.credits == 42


def test_references_have_their_own_price():
    image = ImageRequest("a", model="4.1", resolution="1k", references=("a.png",))
    assert quote([image]).prices == (2,)
    assert quote([ImageRequest("a", model="4.0", references=("a.png",))]).prices == (None,)


def test_what_nobody_knows_is_counted_and_not_guessed():
    found = quote([VideoRequest("a"), ImageRequest("a", resolution="1k"), VideoRequest("a")])
    assert found == Quote(1, 2, (None, 1, None))
    assert str(found) == "about 1 credit for 1 job, price unknown for 2 jobs"
    assert str(quote([VideoRequest("a")])) == "price unknown for 1 job"
    assert quote([ImageRequest("a", model="key:new")]).unpriced == 1


def test_another_length_than_the_measured_one_is_an_estimate():
    lengths = (5, 10, 15)
    found = quote(VideoRequest("a", model="seedance-2.0-vip", duration=one) for one in lengths)
    assert found.prices == (70, 140, 210)
    assert found.estimated == 2
    assert quote([VideoRequest("a", duration=10)]).estimated == 0  # nothing was scaled


def test_nothing_costs_nothing():
    assert quote([]) == Quote(0, 0, ())
    assert str(quote([])) == "about 0 credits for 0 jobs"
