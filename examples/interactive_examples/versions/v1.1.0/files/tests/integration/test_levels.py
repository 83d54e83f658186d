def test_each_example_has_a_level_and_an_explanation(client):
    for example in client.get("/api/examples").json():
        assert example["level"] in ("first steps", "practised", "advanced")
        assert "description" not in example
        detail = client.get(f"/api/examples/{example['slug']}").json()
        assert len(detail["explanation"]) > len(detail["title"])
