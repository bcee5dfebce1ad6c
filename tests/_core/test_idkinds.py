from dreamina_async._core.idkinds import IdKinds
from dreamina_async._core.ledger import Entry
from dreamina_async.models import JobState
from dreamina_async.requests import ImageRequest, VideoRequest


def entry(history_id="25594898552322", submit_id="19637d71-15df-445e-b86d-490f3549cb85"):
    return Entry("job", "image", JobState.ACCEPTED, 0.0, history_id=history_id, submit_id=submit_id)


def test_history_ids_come_first_and_the_only_id_where_there_is_one():
    kinds = IdKinds()
    assert kinds.choose(entry()) == "history"
    assert kinds.choose(entry(), other=True) == "submit"
    assert kinds.choose(entry(history_id=None), other=True) == "submit"
    assert kinds.choose(entry(submit_id=None), other=True) == "history"


def test_the_kind_that_works_becomes_the_usual_one():
    kinds = IdKinds()
    kinds.answered("submit")
    assert kinds.choose(entry()) == "submit"


def test_a_kind_that_has_worked_stays_although_the_other_works_too():
    kinds = IdKinds()
    kinds.answered("history")
    kinds.answered("submit")
    assert kinds.choose(entry()) == "history"


def test_refused_calls_are_tried_by_the_other_ids_until_these_are_refused_too():
    kinds = IdKinds()
    assert kinds.refused("history")
    assert kinds.refused("history")  # one that was under way already
    assert not kinds.refused("submit")
    assert not kinds.refused("history")


def test_a_kind_that_has_worked_is_not_to_blame_for_a_refusal():
    kinds = IdKinds()
    kinds.answered("history")
    assert not kinds.refused("history")


def by_mcp(**ids):
    one = entry(**ids)
    one.request = ImageRequest("x", via="mcp")
    return one


def test_what_was_submitted_through_mcp_is_asked_for_by_its_submit_id_first():
    kinds = IdKinds()
    kinds.answered("history")
    assert kinds.choose(entry()) == "history"
    assert kinds.choose(by_mcp()) == "submit"
    assert kinds.choose(by_mcp(history_id=None)) == "submit"
    assert kinds.choose(by_mcp(submit_id=None)) == "history"


def test_every_second_look_at_it_goes_by_the_other_id_too():
    kinds = IdKinds()
    assert {kinds.choose(by_mcp()), kinds.choose(by_mcp(), other=True)} == {"history", "submit"}
    kinds.answered("submit")
    assert {kinds.choose(by_mcp()), kinds.choose(by_mcp(), other=True)} == {"history", "submit"}


def test_a_video_or_a_job_that_is_only_attached_never_came_through_mcp():
    one = entry()
    assert not one.by_mcp
    one.request = VideoRequest("x")
    assert not one.by_mcp
    one.request = ImageRequest("x")
    assert not one.by_mcp
    assert by_mcp().by_mcp


def test_a_dialect_says_where_to_begin():
    assert IdKinds("submit").choose(entry()) == "submit"
    assert IdKinds("submit").choose(entry(), other=True) == "history"
