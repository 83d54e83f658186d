def test_marking_and_taking_away(make_user):
    client = make_user("ann")
    for _ in range(2):
        assert client.post("/api/favourites", json={"example": "hello-python"}).status_code == 204
    assert [favourite["example"] for favourite in client.get("/api/favourites").json()] == ["hello-python"]
    assert client.delete("/api/favourites/hello-python").status_code == 204
    assert client.get("/api/favourites").json() == []
    assert client.delete("/api/favourites/hello-python").status_code == 404


def test_nobody_sees_anothers_favourites(make_user):
    ann, ben = make_user("ann"), make_user("ben")
    ann.post("/api/favourites", json={"example": "hello-python"})
    assert ben.get("/api/favourites").json() == []
    assert ben.delete("/api/favourites/hello-python").status_code == 404


def test_unknown_examples_and_nobody(client, make_user):
    assert make_user("ann").post("/api/favourites", json={"example": "none"}).status_code == 404
    assert client.post("/api/favourites", json={"example": "hello-python"}).status_code == 401


def test_marking_twice_is_one_event(admin, make_user):
    client = make_user("ann")
    identifier = client.get("/api/session").json()["account"]["id"]
    for _ in range(2):
        client.post("/api/favourites", json={"example": "hello-python"})
    kinds = [event["kind"] for event in admin.get("/api/admin/activity").json() if event["user_id"] == identifier]
    assert kinds.count("favourite_added") == 1
