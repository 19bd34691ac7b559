"""Judges a deployed system from outside: is it well, and do its events come one by one?

The schedule calls `canary.handler.handle`, people and pipelines `python -m canary URL…`; both make the same checks. It
shares no code with what it judges, so that one mistake cannot be in both.

The verdict as JSON (`--json`, and what the handler returns):

    {"schema": 1,
     "verdict": "healthy" | "unhealthy" | "undecided",
     "checks": [{"name", "target", "ok", "what", "why", "seconds"}],
     "measured": {name: number},
     "expectations": {name: text or number}}

A check's `ok` is true, false, or null where it could not be judged: no key, a name that does not resolve from here, no
time left. One false makes the verdict unhealthy; else one null makes it undecided. `what` says what was found, `why`
what that rests on. What a check needs and is not there (an expectation that was not given, a stream that did not even
open) makes no check at all.

    name           judged of   it is false when
    health         both        /health is not 200, not JSON, not of its shape, or does not say "ok"
    environment    both        health names another environment than was expected
    digest         both        health names another digest than was expected
    key            both        data is given away without a key, or with a wrong one
    page           dashboard   / is not our page
    page-headers   dashboard   the page comes without the headers that protect its readers
    items          dashboard   /api/items does not give items, newest first
    summary        dashboard   /api/summary does not give counts a topic
    stream         stream      /api/stream is no event stream, or may be buffered, compressed or cached on its way
    first-event    stream      no event comes in time
    framing        stream      what comes is not text/event-stream, or an event's data is not JSON
    spread         stream      everything comes at once: something holds the stream back
    heartbeat      stream      nothing comes for too long
    ids            stream      an id comes twice or goes back, or an item has none
    end            stream      the connection breaks, or ends with no `reconnect` event
    resume         stream      Last-Event-ID brings what was read already, or not what came since
    load           stream      of many streams at once, too many fail
    secret         handler     (null) the API key cannot be read
    question       handler     (null) what the event asks for cannot be asked

`measured` has milliseconds (`health_ms`, `dashboard_health_ms`, `page_ms`, `headers_ms`, `first_byte_ms`,
`first_event_ms`, `longest_gap_ms`, `listened_ms`), counts (`events`, `comments`, `ids`, `resumed`: ids that resuming
had to bring) and, with load, `load_streams`, `load_errors`, `load_error_ratio`, `load_events` and
`load_first_event_p50_ms`, `_p95_ms`, `_p99_ms`. What was not reached is not there.
"""
