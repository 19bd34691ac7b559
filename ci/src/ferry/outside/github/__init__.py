"""GitHub's side of the gate: what can be read there, as facts. Reads only, and what it cannot read is unknown.

client      asks, asks again while there is hope, pages
gather      one question → all facts
span        what lies between two commits
pulls       one pull request
standing    the environment's rules, the checks, who agreed
alerts      known holes, and the pull requests that close them
signature   which key a commit was signed with
"""

from ferry.outside.github.client import API, GitHub
from ferry.outside.github.gather import Question, gather

__all__ = ["API", "GitHub", "Question", "gather"]
