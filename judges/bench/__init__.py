"""How often a judge agrees with labelled pairs that somebody brings: `manage.py judge_bench`."""
