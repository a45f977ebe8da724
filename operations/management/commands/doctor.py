"""`manage.py doctor`: checks a running portal and says what to do about each problem."""

import json
import logging
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from operations.doctor.findings import Finding, State
from operations.doctor.services import examine, worst


class Command(BaseCommand):
    help = (
        "Say whether all is well: partners, queues, due work, orders, incidents, stock, points, "
        "reconciliation, versions, clocks. Changes nothing; ends with 1 when anything is bad."
    )
    requires_system_checks: list[str] = []  # some system checks need services that may be down

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *_args: Any, **options: Any) -> None:
        # The report names what is unreachable; log lines about it would only hide the report.
        logging.disable(logging.CRITICAL)
        try:
            findings = examine()
        finally:
            logging.disable(logging.NOTSET)
        state = worst(findings)
        if options["json"]:
            told = {"state": state, "findings": [asdict(finding) for finding in findings]}
            self.stdout.write(json.dumps(told, indent=2))
        else:
            self._show(findings)
        if state == State.BAD:
            number = sum(finding.state == State.BAD for finding in findings)
            raise CommandError(f"{number} of {len(findings)} lines are bad.")

    def _show(self, findings: list[Finding]) -> None:
        paint = {
            State.OK: self.style.SUCCESS,
            State.LOOK: self.style.WARNING,
            State.BAD: self.style.ERROR,
        }
        width = max(len(finding.subject) for finding in findings)
        for finding in findings:
            state = paint[finding.state](f"{finding.state:4}")
            self.stdout.write(f"{state}  {finding.subject:{width}}  {finding.says}")
            if finding.do:
                self.stdout.write(f"      {'':{width}}  → {finding.do}")
