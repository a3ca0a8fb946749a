"""The rows of a site that has been played for a while, made by PostgreSQL itself.

A match every five minutes, so that a longer history is an older site and not a busier one. Every
match has five seats and two rounds. The house sits in every match, and one person's agent in every
fourth; the others play about forty matches each. Triggers and constraints stay on.
"""

import re

from django.db import connection

from arena.seeding import seed

SEATS, ROUNDS = 5, 2
LIVE_MATCHES = 60  # of which every sixth has not begun
QUEUED = 4  # entries, too few for a match
BUSIEST = 1000  # id of the user and of the agent who play every fourth match
SPACE = "history-1"  # where half of the matches are played, also the busiest agent's

# {matches}, {people}, {agents} and the rest are filled in by write_history; ids of people start at 1000.
_PEOPLE = """
INSERT INTO arena_space (slug, name, summary, description, environment, status, panel,
    entry_fee_credits, seat_count, round_count, max_tokens, rake_percent, prize_percents,
    house_fill_seconds, created_at, base_model_id)
SELECT 'history-' || n, 'History ' || n, summary, description, environment, 'open', panel,
    10, 5, 2, max_tokens, 10, prize_percents, 32000, now(), base_model_id
FROM arena_space, generate_series(1, 8) AS n WHERE slug = 'constraints' ORDER BY n;

INSERT INTO agents_user (id, password, is_superuser, username, first_name, last_name, email,
    is_staff, is_active, date_joined, is_house, username_key)
SELECT 1000 + n, '!', false, 'person' || n, '', '', 'person' || n || '@example.org',
    false, true, now(), false, 'person' || n
FROM generate_series(0, {people} - 1) AS n;

INSERT INTO agents_agent (id, name, engine, learning, is_training_enabled, created_at, owner_id,
    base_model_id, name_key)
SELECT 1000 + n, 'agent' || n, 'model', '{{}}', true, now(), 1000 + mod(n, {people}),
    (SELECT base_model_id FROM arena_space WHERE slug = 'history-1'), 'agent' || n
FROM generate_series(0, {agents} - 1) AS n;

INSERT INTO agents_agentversion (id, number, prompt, sampling, origin, created_at, agent_id)
SELECT 1000 + n, 1, 'Answer in as few words as the request allows.',
    '{{"temperature": 0.7, "top_p": 1.0, "max_tokens": 96}}', 'created', now(), 1000 + n
FROM generate_series(0, {agents} - 1) AS n;

INSERT INTO agents_agentversion (id, number, prompt, sampling, origin, created_at, agent_id, parent_id)
SELECT 900 + n, n, 'Answer in as few words as the request allows.',
    '{{"temperature": 0.7, "top_p": 1.0, "max_tokens": 96}}', 'trained', now(), 1000,
    CASE WHEN n = 2 THEN 1000 ELSE 900 + n - 1 END
FROM generate_series(2, 20) AS n;

UPDATE agents_agent SET current_version_id = CASE WHEN id = 1000 THEN 920 ELSE id END
WHERE id >= 1000;
"""

_MATCHES = """
INSERT INTO arena_match (id, status, seq, head_digest, round_count, attempts, lease_owner,
    lease_expires_at, created_at, started_at, finished_at, space_id)
SELECT n,
    CASE WHEN n <= {matches} THEN CASE WHEN mod(n, 100) = 7 THEN 'cancelled' ELSE 'settled' END
        WHEN mod(n, 6) = 0 THEN 'seated' ELSE 'running' END,
    CASE WHEN n <= {matches} THEN 7 WHEN mod(n, 6) = 0 THEN 1 ELSE 5 END, md5('head' || n), 2, 1,
    CASE WHEN n > {matches} AND mod(n, 6) > 0 THEN md5('lease' || n)::uuid END,
    CASE WHEN n > {matches} AND mod(n, 6) > 0 THEN now() + interval '1 hour' END,
    at, CASE WHEN n <= {matches} OR mod(n, 6) > 0 THEN at END,
    CASE WHEN n <= {matches} THEN at + interval '2 minutes' END, space.id
FROM (
    SELECT n, now() - ({matches} - n) * interval '5 minutes' AS at,
        CASE WHEN mod(n, 2) = 0 THEN 1 ELSE 2 + mod(n / 2, 7) END AS place
    FROM generate_series(1, {matches} + {live}) AS n
) AS made JOIN arena_space AS space ON space.slug = 'history-' || place;

-- Who sits where; read several times.
CREATE TEMPORARY TABLE seating AS
SELECT n AS match, s AS index, n * 8 + s AS seat, agent,
    CASE WHEN agent = 1000 THEN 901 + 1 + mod(n, 19) WHEN agent >= 1000 THEN agent
        ELSE house.current_version_id END AS version,
    CASE WHEN agent >= 1000 THEN 1000 + mod(agent - 1000, {people}) ELSE house.owner_id END AS owner,
    CASE WHEN agent >= 1000 THEN md5('entry' || n || '-' || s)::uuid END AS entry,
    1 + mod(s + n, 5) AS rank
FROM generate_series(1, {matches} + {live}) AS n,
    generate_series(0, 4) AS s,
    LATERAL (
        SELECT CASE WHEN s = 0 THEN (
                SELECT (array_agg(id ORDER BY id))[1 + mod(n, 5)] FROM agents_agent WHERE id < 1000
            )
            WHEN s = 1 AND mod(n, 4) = 0 THEN 1000
            ELSE 1001 + mod(n * 4 + s, {agents} - 1) END AS agent
    ) AS chosen
    LEFT JOIN agents_agent AS house ON house.id = agent;
CREATE INDEX ON seating (match);

ANALYZE seating;

INSERT INTO arena_entry (id, fee_credits, status, cancel_reason, created_at, agent_id, user_id,
    match_id, space_id, house_stake_credits)
SELECT entry, 10, CASE match.status WHEN 'settled' THEN 'finished' ELSE 'cancelled' END, '',
    match.created_at, agent, owner, match.id, match.space_id, 2
FROM seating JOIN arena_match AS match ON match.id = match
WHERE entry IS NOT NULL AND match <= {matches};

INSERT INTO arena_entry (id, fee_credits, status, cancel_reason, created_at, agent_id, user_id, space_id)
SELECT md5('waiting' || n)::uuid, 10, 'queued', '', now(), agent.id, agent.owner_id, space.id
FROM generate_series(1, {queued}) AS n
    JOIN agents_agent AS agent ON agent.id = 999 + n
    JOIN arena_space AS space ON space.slug = 'history-1';

INSERT INTO arena_seat (id, index, rank, score, prize_credits, agent_id, entry_id, match_id, version_id)
SELECT seat, index, CASE WHEN match <= {matches} THEN seating.rank END,
    CASE WHEN match <= {matches} THEN 2.0 / rank END,
    CASE WHEN match > {matches} THEN 0 WHEN rank = 1 THEN 23 WHEN rank = 2 THEN 13 WHEN rank = 3 THEN 9
        ELSE 0 END,
    agent, CASE WHEN match <= {matches} THEN entry END, match, version
FROM seating;

INSERT INTO arena_round (id, number, status, task_key, task_kind, task, created_at, decided_at, match_id)
SELECT match.id * 2 - 2 + r, r,
    CASE WHEN match.id <= {matches} OR r = 1 THEN 'decided' ELSE 'playing' END,
    md5('task' || mod(match.id * 2 + r, {matches} / 5)), 'bullets',
    jsonb_build_object('key', 'k', 'kind', 'bullets', 'split', 'train', 'prompt',
        'Write exactly three bullet points about the number ' || match.id || '.', 'data', '{{}}'::jsonb),
    match.created_at, match.created_at + interval '1 minute', match.id
FROM arena_match AS match, generate_series(1, 2) AS r WHERE match.status <> 'seated';

INSERT INTO arena_completion (id, status, error, text, messages, prompt_token_ids, token_ids, logprobs,
    chunk_times, finish_reason, adapter_digest, sampling, seconds, created_at, version_id, round_id, seat_id)
SELECT round.id * 5 + seat.index, 'ok', '', '- ' || md5('answer' || seat.id) || E'\\n- more\\n- ' || round.id,
    '[{{"role": "system", "content": "Answer."}}, {{"role": "user", "content": "Write three points."}}]',
    array_fill(301, ARRAY[24]), array_fill(302, ARRAY[16]), array_fill(-0.25, ARRAY[16]),
    '[[20, 0.4], [60, 1.2]]', 'stop', '', '{{"temperature": 0.7}}', 1.5, round.created_at,
    seat.version_id, round.id, seat.id
FROM arena_round AS round JOIN arena_seat AS seat ON seat.match_id = round.match_id
WHERE round.status = 'decided';

INSERT INTO arena_vote (weight, scores, reasons, checks, error, seconds, created_at, judge_id, round_id)
SELECT 1, '{{"0": 1.0, "1": 0.8, "2": 0.6, "3": 0.4, "4": 0.2}}', '{{"0": "Kept every rule."}}',
    '{{"0": [{{"name": "bullets", "passed": true, "detail": "three"}}]}}', '', 0.1, round.created_at,
    (SELECT id FROM judges_judge WHERE slug = 'code'), round.id
FROM arena_round AS round WHERE round.status = 'decided';

INSERT INTO arena_verdict (scores, ranking, agreement, created_at, round_id)
SELECT '{{"0": 1.0, "1": 0.8, "2": 0.6, "3": 0.4, "4": 0.2}}', '[[0], [1], [2], [3], [4]]', 1,
    round.created_at, round.id
FROM arena_round AS round WHERE round.status = 'decided';

INSERT INTO arena_matchevent (seq, kind, payload, previous_digest, digest, created_at, match_id)
SELECT event.seq, event.kind, event.payload, md5(match.id || 'e' || event.seq - 1),
    md5(match.id || 'e' || event.seq), match.created_at, match.id
FROM arena_match AS match JOIN arena_space AS space ON space.id = match.space_id,
LATERAL (VALUES
    (1, 'match_seated', jsonb_build_object('space', space.slug, 'environment', space.environment,
        'round_count', 2, 'rake_percent', 10, 'prize_percents', '[50, 30, 20]'::jsonb,
        'panel', '[["code", 1.0]]'::jsonb, 'rounds_at_once', 1, 'players', (
            SELECT jsonb_agg(jsonb_build_object('seat', index, 'agent_id', agent, 'version_id', version,
                'user_id', owner, 'entry_id', entry, 'fee_credits', 10) ORDER BY index)
            FROM seating WHERE seating.match = match.id))),
    (2, 'match_started', '{{}}'),
    (3, 'round_started', '{{"round": 1, "task_key": "k", "task": {{}}}}'),
    (4, 'round_decided', '{{"round": 1, "scores": {{}}, "ranking": [], "agreement": 1}}'),
    (5, 'round_started', '{{"round": 2, "task_key": "k", "task": {{}}}}'),
    (6, 'round_decided', '{{"round": 2, "scores": {{}}, "ranking": [], "agreement": 1}}'),
    (7, 'match_settled', '{{"ranking": [[0], [1], [2], [3], [4]], "totals": {{}},
        "prizes": {{"0": 23, "1": 13, "2": 9}}, "rake_credits": 5, "refunds": {{}}}}')
) AS event (seq, kind, payload) WHERE event.seq <= match.seq;
"""

_CREDITS = """
INSERT INTO arena_account (kind, key, owner_id, may_overdraw, debits_posted, credits_posted,
    debits_pending, credits_pending, created_at)
SELECT 'user', 'user:' || id, id, false, 0, 0, 0, 0, now() FROM agents_user WHERE id >= 1000
UNION ALL
SELECT 'escrow', 'space:' || id, NULL, false, 0, 0, 0, 0, now() FROM arena_space
UNION ALL
SELECT kind, kind, NULL, kind <> 'fees', 0, 0, 0, 0, now()
FROM unnest(ARRAY['house', 'fees', 'issuance']) AS kind;

CREATE TEMPORARY TABLE accounts AS SELECT key, id FROM arena_account;
CREATE UNIQUE INDEX ON accounts (key);
ANALYZE accounts;

INSERT INTO arena_transfer (id, kind, debit_id, credit_id, amount_credits, code, reference, created_at)
SELECT md5('top-up' || owner.id)::uuid, 'posted', issuance.id, owner.id, 10000000, 'top_up', '',
    now() - interval '2 years'
FROM accounts AS owner JOIN accounts AS issuance ON issuance.key = 'issuance'
WHERE owner.key LIKE 'user:%';

INSERT INTO arena_transfer (id, kind, debit_id, credit_id, amount_credits, code, reference, created_at)
SELECT entry.id, 'pending', owner.id, escrow.id, 10, 'entry_fee', 'entry:' || entry.id, entry.created_at
FROM arena_entry AS entry
    JOIN accounts AS owner ON owner.key = 'user:' || entry.user_id
    JOIN accounts AS escrow ON escrow.key = 'space:' || entry.space_id;

INSERT INTO arena_transfer (id, kind, debit_id, credit_id, amount_credits, code, reference, created_at,
    pending_id)
SELECT md5('post' || hold.id)::uuid, CASE entry.status WHEN 'finished' THEN 'post' ELSE 'void' END,
    hold.debit_id, hold.credit_id, 10, 'entry_fee', 'match:' || entry.match_id,
    entry.created_at + interval '1 second', hold.id
FROM arena_entry AS entry JOIN arena_transfer AS hold ON hold.id = entry.id
WHERE entry.match_id IS NOT NULL;

INSERT INTO arena_transfer (id, kind, debit_id, credit_id, amount_credits, code, reference, created_at)
SELECT md5('prize' || seat.id)::uuid, 'posted', escrow.id, owner.id, seat.prize_credits, 'prize',
    'match:' || match.id, match.finished_at
FROM arena_seat AS seat JOIN arena_match AS match ON match.id = seat.match_id AND match.status = 'settled'
    JOIN agents_agent AS agent ON agent.id = seat.agent_id
    JOIN accounts AS owner
        ON owner.key = CASE WHEN agent.id < 1000 THEN 'house' ELSE 'user:' || agent.owner_id END
    JOIN accounts AS escrow ON escrow.key = 'space:' || match.space_id
WHERE seat.prize_credits > 0;

INSERT INTO arena_transfer (id, kind, debit_id, credit_id, amount_credits, code, reference, created_at)
SELECT md5(move.code || match.id)::uuid, 'posted', move.debit, move.credit, move.amount, move.code,
    'match:' || match.id, match.finished_at
FROM arena_match AS match JOIN accounts AS escrow ON escrow.key = 'space:' || match.space_id
    JOIN accounts AS house ON house.key = 'house' JOIN accounts AS fees ON fees.key = 'fees',
    LATERAL (VALUES (house.id, escrow.id, 10, 'entry_fee'), (escrow.id, fees.id, 5, 'rake'))
        AS move (debit, credit, amount, code)
WHERE match.status = 'settled';

UPDATE arena_account AS account SET
    debits_posted = sums.debits, credits_posted = sums.credits,
    debits_pending = sums.debits_held, credits_pending = sums.credits_held
FROM (
    SELECT side.id,
        coalesce(sum(amount_credits) FILTER (WHERE is_debit AND moves), 0) AS debits,
        coalesce(sum(amount_credits) FILTER (WHERE NOT is_debit AND moves), 0) AS credits,
        coalesce(sum(amount_credits) FILTER (WHERE is_debit AND held), 0) AS debits_held,
        coalesce(sum(amount_credits) FILTER (WHERE NOT is_debit AND held), 0) AS credits_held
    FROM (
        SELECT debit_id, credit_id, amount_credits, kind IN ('posted', 'post') AS moves,
            kind = 'pending' AND NOT EXISTS (
                SELECT FROM arena_transfer AS done WHERE done.pending_id = row.id) AS held
        FROM arena_transfer AS row
    ) AS row, LATERAL (VALUES (debit_id, true), (credit_id, false)) AS side (id, is_debit)
    GROUP BY side.id
) AS sums WHERE sums.id = account.id;
"""

_RATINGS = """
INSERT INTO arena_rating (mu, sigma, match_count, win_count, updated_at, agent_id, space_id)
SELECT 20 + mod(seat.agent_id * 7919, 1000) / 100.0, 1.5, count(*), count(*) FILTER (WHERE rank = 1),
    now(), seat.agent_id, match.space_id
FROM arena_seat AS seat JOIN arena_match AS match ON match.id = seat.match_id
WHERE match.status = 'settled' GROUP BY seat.agent_id, match.space_id;

INSERT INTO arena_overallrating (mu, sigma, match_count, win_count, updated_at, agent_id)
SELECT avg(mu), min(sigma), sum(match_count), sum(win_count), now(), agent_id
FROM arena_rating GROUP BY agent_id;

INSERT INTO arena_ratingchange (mu_before, sigma_before, mu_after, sigma_after, created_at, seat_id,
    overall_mu_before, overall_mu_after, answer_chars)
SELECT 20, 1.6, 20.1, 1.5, match.finished_at, seat.id, 20, 20.1, 100
FROM arena_seat AS seat JOIN arena_match AS match ON match.id = seat.match_id
WHERE match.status = 'settled' ORDER BY match.id, seat.index;
"""

_LEARNING = """
INSERT INTO training_pair (source, margin, agreement, created_at, agent_id, chosen_id, rejected_id,
    round_id, space_id)
SELECT 'own', 0.2, 1.0, round.created_at, chosen.agent_id, won.id, lost.id, round.id, match.space_id
FROM arena_match AS match
    JOIN arena_round AS round ON round.match_id = match.id
    JOIN arena_seat AS chosen ON chosen.match_id = match.id
    JOIN arena_completion AS won ON won.id = round.id * 5 + chosen.index
    JOIN arena_completion AS lost ON lost.id = round.id * 5 + mod(chosen.index + 1, 5)
WHERE match.status = 'settled' AND match.id <= {matches} ORDER BY round.id, chosen.index;

INSERT INTO training_harvest (pair_count, created_at, match_id)
SELECT 10, finished_at, id FROM arena_match WHERE status = 'settled';

UPDATE arena_match SET is_harvested = true WHERE status = 'settled';

-- Everybody's last run was twenty pairs ago.
INSERT INTO training_trainingrun (id, status, method, config, last_pair_id, pair_count, manifest,
    manifest_digest, progress, curve, gate, reason, attempts, created_at, started_at, finished_at,
    agent_id, parent_version_id, child_version_id, space_id)
SELECT 1000 + row_number() OVER (ORDER BY agent_id, space_id), 'rejected', 'dpo',
    '{{"method": "dpo"}}', last, 48, '{{}}', '', '{{"step": 24, "steps": 24, "seconds": 60.0}}',
    curve.points, '{{}}', 'Not better on the held-out tasks.', 1, now(), now() - interval '3 days', now(),
    agent_id, agent.current_version_id, NULL, space_id
FROM (
    SELECT DISTINCT ON (agent_id, space_id) agent_id, space_id,
        nth_value(id, 21) OVER (PARTITION BY agent_id, space_id ORDER BY id DESC
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS last
    FROM training_pair WHERE agent_id >= 1000
) AS pairs JOIN agents_agent AS agent ON agent.id = agent_id,
(
    SELECT jsonb_agg(jsonb_build_object('step', n, 'loss', 0.7, 'accuracy', 0.5, 'reward_margin', 0.1,
        'grad_norm', 1.0, 'tokens_per_second', 150)) AS points FROM generate_series(1, 24) AS n
) AS curve
WHERE last IS NOT NULL;

-- The busiest agent's versions come from its earlier runs.
INSERT INTO training_trainingrun (id, status, method, config, last_pair_id, pair_count, manifest,
    manifest_digest, progress, curve, gate, reason, attempts, created_at, started_at, finished_at,
    agent_id, parent_version_id, child_version_id, space_id)
SELECT n, 'adopted', run.method, run.config, run.last_pair_id - 48 * (21 - n), 48, run.manifest, '',
    run.progress, run.curve, run.gate, 'Better on the held-out tasks.', 1, now(), now() - interval '3 days',
    now(), 1000, CASE WHEN n = 2 THEN 1000 ELSE 900 + n - 1 END, 900 + n, run.space_id
FROM generate_series(2, 20) AS n, training_trainingrun AS run WHERE run.agent_id = 1000 AND run.id >= 1000;

INSERT INTO training_rollout (index, text, prompt_token_ids, token_ids, logprobs, finish_reason,
    adapter_digest, sampling, score, created_at, round_id, run_id, version_id)
SELECT i, 'practice ' || run.id || i, array_fill(301, ARRAY[24]), array_fill(302, ARRAY[16]),
    array_fill(-0.25, ARRAY[16]), 'stop', '', '{{"temperature": 0.7}}', 0.5, now(), round.id, run.id,
    run.parent_version_id
FROM training_trainingrun AS run
    JOIN LATERAL (
        SELECT round_id AS id FROM training_pair AS pair
        WHERE pair.agent_id = run.agent_id AND pair.space_id = run.space_id AND pair.id <= run.last_pair_id
        ORDER BY pair.id DESC LIMIT 2
    ) AS round ON true, generate_series(0, 3) AS i;
"""

_SEQUENCES = """
SELECT setval(pg_get_serial_sequence(name, 'id'), 10000000) FROM unnest(ARRAY['agents_user',
    'agents_agent', 'agents_agentversion', 'arena_match', 'arena_seat', 'arena_round',
    'arena_completion', 'training_trainingrun']) AS name;
"""


def write_history(matches: int, *, live: int = LIVE_MATCHES, queued: int = QUEUED) -> None:
    """Fill an empty, migrated database; `matches` is at least 100."""
    seed()
    numbers = {
        "matches": matches,
        "people": max(matches // 20, 10),
        "agents": max(matches // 10, 20),
        "live": live,
        "queued": queued,
    }
    with connection.cursor() as cursor:
        for part in (_PEOPLE, _MATCHES, _CREDITS, _RATINGS, _LEARNING, _SEQUENCES):
            for statement in part.format(**numbers).split(";\n"):
                cursor.execute(statement)
                # Later statements join what earlier ones made; unanalysed, they would never end.
                if table := re.match(r"(?:\s|--.*\n)*INSERT INTO (\w+)", statement):
                    cursor.execute(f"ANALYZE {table[1]}")
        cursor.execute("DROP TABLE seating, accounts")
        cursor.execute("VACUUM ANALYZE")
