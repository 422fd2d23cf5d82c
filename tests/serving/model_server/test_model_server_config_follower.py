"""The thread that follows a config file."""

from serving.model_server.config_follower import ConfigFollower


def test_an_error_of_any_kind_is_logged_once_and_later_changes_are_followed(tmp_path, eventually, caplog):
    config = tmp_path / "models.config"
    asked = []

    def name(model):
        config.with_suffix(".tmp").write_text(
            f"model_config_list {{ config {{ name: '{model}' base_path: '/store/{model}' }} }}"
        )
        config.with_suffix(".tmp").rename(config)

    def reload(models):
        asked.append(models[0].name)
        if models[0].name == "reel":
            raise ZeroDivisionError("division by zero")

    name("reel")
    follower = ConfigFollower(config, 0.01, reload)
    follower.start()
    try:
        eventually(lambda: asked.count("reel") > 2)
        name("jig")
        eventually(lambda: asked[-1] == "jig")
    finally:
        follower.stop()
        follower.join()
    assert caplog.text.count("ZeroDivisionError('division by zero')") == 1
    assert caplog.text.count("Traceback") == 1
