"""One row for one prompt: declined where a rule is due, else the best of the candidates."""

from dataclasses import dataclass, replace

from selfalign.answering.attempts import Attempt, attempt_row
from selfalign.answering.declining import Declining, GivenOpening, misplaced
from selfalign.answering.rule_due import AskWith, Due
from selfalign.answering.selection import BestOf, Question, Try
from selfalign.constitution.render import join_input
from selfalign.storage.rows import PromptItem, Row


@dataclass(frozen=True, slots=True)
class Answering:
    """What align and refine do with every prompt, whatever they ask."""

    best: BestOf
    declining: Declining
    retries: int
    only_where_due: bool
    """Reject answers that decline where no rule is due, and that comply where one is."""

    async def row(self, item: PromptItem, ask: AskWith, one: Try, model: GivenOpening) -> Row:
        """Exactly one row.

        Args:
            ask: From instruction and input to the prompt by which answers are scored, and whose
                answer begins with what is given.
            one: Samples and judges one answer.
            model: What goes on after a given opening.
        """
        question = Question(
            join_input(item.instruction, item.input),
            ask(item.instruction, item.input),
            ask("", ""),
        )
        known: list[Due | None] = []

        async def attempt(seed: int) -> Attempt:
            if not known:
                known.append(await self.declining.due(item, ask))
            due = known[0]
            turned_down = self.declining.turned_down(item, due)
            if turned_down is not None:
                return turned_down
            if due is not None and self.declining.settings.opening_given:
                return await self.declining.answer(due, question.asked, seed, model)

            async def judged(seed: int) -> Attempt:
                return self._in_place(await one(seed), due)

            return await self.best.choose(question, judged, seed)

        return await attempt_row(item, self.retries, attempt)

    def _in_place(self, attempt: Attempt, due: Due | None) -> Attempt:
        if not self.only_where_due or attempt.rejection is not None:
            return attempt
        return replace(attempt, rejection=misplaced(attempt.answer, due))
