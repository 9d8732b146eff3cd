#!/usr/bin/env python3
"""Compares the trainer's rendering of dialogues with what Jinja2 makes of chat_template.jinja.

usage: dotnet work/build/ember-trainer.dll render --count 500 | ./check_template.py     (needs python3-jinja2)
Each input line is JSON: {"messages": ..., "tools": ..., "text": what the trainer renders}.
"""
import json
import pathlib
import sys

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
environment.filters["tojson"] = lambda x: json.dumps(x, ensure_ascii=False)
template = environment.from_string((pathlib.Path(__file__).parent / "chat_template.jinja").read_text(encoding="utf-8"))

count = 0
for line in sys.stdin:
    case = json.loads(line)
    for as_text in (False, True):
        # Callers send arguments as an object or as a JSON text; both must come out alike.
        for message in case["messages"]:
            for call in message.get("tool_calls", []):
                if as_text:
                    call["function"]["arguments"] = json.dumps(call["function"]["arguments"], ensure_ascii=False)
        rendered = template.render(messages=case["messages"], tools=case["tools"] or None, add_generation_prompt=False)
        if rendered != case["text"]:
            sys.exit(f"differs:\n--- jinja\n{rendered}\n--- trainer\n{case['text']}")
    count += 1
print(f"{count} dialogues render alike")
