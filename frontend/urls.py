"""Routes of the pages."""

from django.urls import path

from frontend.pages import account, agents, downloads, home, matches, runs, site, spaces, wallet

urlpatterns = [
    path("", home.home, name="home"),
    path("how-it-works/", home.how_it_works, name="how_it_works"),
    path("theme/", home.choose_theme, name="choose_theme"),
    path("account/delete/", account.delete, name="delete_account"),
    path("agents/", agents.agent_list, name="agents"),
    path("agents/new/", agents.new_agent, name="new_agent"),
    path("agents/<int:agent_id>/", agents.agent_detail, name="agent"),
    path("agents/<int:agent_id>/edit/", agents.edit, name="edit_agent"),
    path("agents/<int:agent_id>/learning/", agents.learning, name="agent_learning"),
    path("agents/<int:agent_id>/rename/", agents.rename, name="rename_agent"),
    path(
        "agents/<int:agent_id>/versions/<int:version_id>/activate/",
        agents.activate,
        name="activate_version",
    ),
    path("agents/<int:agent_id>/train/", agents.train_now, name="train_now"),
    path("agents/<int:agent_id>/retire/", agents.retire, name="retire_agent"),
    path("agents/<int:agent_id>/pairs.jsonl", downloads.pairs, name="agent_pairs"),
    path("agents/<int:agent_id>/groups.jsonl", downloads.groups, name="agent_groups"),
    path("agents/<int:agent_id>/state/", agents.state, name="agent_state"),
    path("spaces/", spaces.space_list, name="spaces"),
    path("spaces/<slug:slug>/", spaces.space_detail, name="space"),
    path("spaces/<slug:slug>/people/<str:username>/", spaces.owner, name="owner_results"),
    path("spaces/<slug:slug>/enter/", spaces.enter, name="enter_space"),
    path("entries/<uuid:entry_id>/", spaces.entry, name="entry"),
    path("entries/<uuid:entry_id>/leave/", spaces.leave, name="leave_queue"),
    path("matches/", matches.match_list, name="matches"),
    path("matches/live/", matches.live_list, name="live_matches"),
    path("matches/<int:match_id>/", matches.match_detail, name="match"),
    path("matches/<int:match_id>/rounds/<int:number>/", matches.round_detail, name="round"),
    path("runs/<int:run_id>/", runs.run_detail, name="run"),
    path("runs/<int:run_id>/state/", runs.state, name="run_state"),
    path("runs/<int:run_id>/curve.json", runs.curve, name="run_curve"),
    path("runs/<int:run_id>/manifest.json", runs.manifest, name="run_manifest"),
    path("runs/<int:run_id>/pause/", runs.pause, name="pause_run"),
    path("runs/<int:run_id>/resume/", runs.resume, name="resume_run"),
    path("runs/<int:run_id>/cancel/", runs.cancel, name="cancel_run"),
    path("runs/<int:run_id>/adopt/", runs.adopt, name="adopt_run"),
    path("runs/<int:run_id>/decline/", runs.decline, name="decline_run"),
    path("site/room/", site.room, name="room"),
    path("wallet/", wallet.wallet, name="wallet"),
]
