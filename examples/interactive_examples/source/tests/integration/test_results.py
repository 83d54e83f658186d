import pytest

RESULT = {"example": "hello-python", "code": "print('é')", "stdout": "<b>é</b>\n", "stderr": "", "exit_code": 0}


def test_saved_results_are_read_back(make_user):
    client = make_user("ann")
    saved = client.post("/api/results", json=RESULT)
    assert saved.status_code == 201
    identifier = saved.json()["id"]
    assert client.get(f"/api/results/{identifier}").json() == saved.json()
    assert client.get("/api/results").json() == [saved.json()]
    assert {name: saved.json()[name] for name in RESULT} == RESULT
    assert client.delete(f"/api/results/{identifier}").status_code == 204
    assert client.get("/api/results").json() == []
    assert client.delete(f"/api/results/{identifier}").status_code == 404


def test_nobody_sees_anothers_results(make_user):
    ann, ben = make_user("ann"), make_user("ben")
    identifier = ann.post("/api/results", json=RESULT).json()["id"]
    assert ben.get("/api/results").json() == []
    assert ben.get(f"/api/results/{identifier}").status_code == 404
    assert ben.delete(f"/api/results/{identifier}").status_code == 404
    assert ann.get(f"/api/results/{identifier}").status_code == 200


@pytest.mark.parametrize("identifier", ["0", "-1", "2147483648", "99999999999999999999", "x", "1.5", "%00"])
def test_invalid_identifiers(make_user, identifier):
    assert make_user("ann").get(f"/api/results/{identifier}").status_code in (404, 422)


def test_unknown_example(make_user):
    assert make_user("ann").post("/api/results", json=RESULT | {"example": "none"}).status_code == 404


def test_each_action_is_one_event(admin, make_user):
    client = make_user("ann")
    identifier = client.get("/api/session").json()["account"]["id"]
    client.post("/api/results", json=RESULT, headers={"X-Request-ID": "save-1"})
    client.post("/api/run", json={"language": "python", "code": "1"}, headers={"X-Request-ID": "run-1"})
    events = [event for event in admin.get("/api/admin/activity").json() if event["user_id"] == identifier]
    newest = [(event["kind"], event["request_id"]) for event in events[:2]]
    assert newest == [("run", "run-1"), ("result_saved", "save-1")]
    assert len(events) == 3
    assert events[0]["release"] == "release-1"
