"""Makes the mutants of a module: mutmut's operators, and a few that it lacks.

mutmut itself swaps function bodies, so it passes over what is decided in a table, a default
or a property. Here each mutant is a whole file, and those are mutated like anything else.
Types, docstrings and texts for people stay as they are.
"""

import ast
from collections.abc import Iterable, Iterator
from difflib import unified_diff
from typing import Any

import libcst as cst
import libcst.matchers as m
from attrs import frozen
from libcst.metadata import ByteSpanPositionProvider, CodeSpan
from mutation_table import Sign
from mutmut.mutation.mutators import mutation_operators

_ALIASES = m.OneOf(
    m.Call(func=m.Name("TypeVar")),
    m.Subscript(value=m.Name("Literal") | m.Name("Mapping") | m.Name("Callable")),
    m.BinaryOperation(operator=m.BitOr()),
)
_TYPES = m.OneOf(
    m.Annotation(),
    m.Decorator(),
    m.ImportFrom(),
    m.Import(),
    m.Assign(value=_ALIASES),
    m.FunctionDef(decorators=[m.Decorator(decorator=m.Name("overload"))]),
    m.Call(func=m.Name("isinstance") | m.Name("len"), args=[m.ZeroOrMore(m.Arg(m.Name()))]),
)
_CAST = m.Call(func=m.Name("cast"))


@frozen
class Mutant:
    """One module with one change.

    Attributes:
        where: the function or class around the change, or the empty text.
        was: the changed lines as they were, without indent.
        now: the same lines as they are now.
        text: the whole module.
    """

    module: str
    where: str
    was: str
    now: str
    text: str

    @property
    def sign(self) -> Sign:
        return self.module, self.where, self.was, self.now


def diff(mutant: Mutant, source: str) -> str:
    """What the mutant changes, with a line around it."""
    before, after = source.splitlines(), mutant.text.splitlines()
    return "\n".join(unified_diff(before, after, mutant.module, mutant.where, n=1, lineterm=""))


def make_mutants(module: str, source: str) -> list[Mutant]:
    """Every mutant of a module that compiles, in the order of the file."""
    wrapper = cst.MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=True)
    spans = wrapper.resolve(ByteSpanPositionProvider)
    visitor = _Visitor()
    wrapper.module.visit(visitor)
    scopes = _scopes(source)
    texts = dict.fromkeys(
        _replaced(wrapper.module, source, spans.get(old), old, new) for old, new in visitor.changes
    )
    return [_mutant(module, source, text, scopes) for text in texts if _compiles(text)]


def _replaced(
    tree: cst.Module, source: str, span: CodeSpan | None, old: cst.CSTNode, new: cst.CSTNode
) -> str:
    """The module with one node changed; by its place in the text where that is safe, and fast."""
    if span is not None:
        encoded = source.encode()
        end = span.start + span.length
        if encoded[span.start : end] == tree.code_for_node(old).encode():
            changed = tree.code_for_node(new).encode()
            return (encoded[: span.start] + changed + encoded[end:]).decode()
    return tree.deep_replace(old, new).code


class _Visitor(cst.CSTVisitor):
    def __init__(self) -> None:
        super().__init__()
        self.changes: list[tuple[cst.CSTNode, cst.CSTNode]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if m.matches(node, _TYPES) or _is_text(node):
            return False
        if m.matches(node, _CAST):  # its first argument is a type
            node.args[1].visit(self)
            return False
        for kind, operator in (*mutation_operators, *_OURS):
            if isinstance(node, kind):
                self.changes += [(node, one) for one in operator(node) if _keeps_texts(node, one)]
        return True


def _is_text(node: cst.CSTNode) -> bool:
    """A message or a docstring: a test that repeats one proves nothing."""
    return isinstance(node, cst.SimpleString | cst.ConcatenatedString) and (
        isinstance(node, cst.ConcatenatedString) or " " in node.value or '"""' in node.value
    )


def _keeps_texts(node: cst.CSTNode, changed: cst.CSTNode) -> bool:
    if not isinstance(node, cst.Call) or not isinstance(changed, cst.Call):
        return True
    return all(one in changed.args for one in node.args if _is_text(one.value))


def _without_statement(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    if m.matches(node, m.Expr(value=m.Call() | m.Await()) | m.Raise() | m.Del()):
        yield cst.Pass()


def _forced(node: cst.If | cst.CompIf) -> Iterator[cst.CSTNode]:
    test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    for operator, literal in ((cst.And(), "False"), (cst.Or(), "True")):
        forced = cst.BooleanOperation(left=test, operator=operator, right=cst.Name(literal))
        yield node.with_changes(test=forced)


def _without_one(node: cst.Set | cst.Dict) -> Iterator[cst.CSTNode]:
    elements = node.elements
    for place in range(len(elements) if len(elements) > 1 else 0):
        yield node.with_changes(elements=[*elements[:place], *elements[place + 1 :]])


def _one_of_two(node: cst.BinaryOperation) -> Iterator[cst.CSTNode]:
    if isinstance(node.operator, cst.BitOr):
        yield from (node.left, node.right)


_OURS: tuple[tuple[Any, Any], ...] = (
    (cst.BaseSmallStatement, _without_statement),
    (cst.If, _forced),
    (cst.CompIf, _forced),
    (cst.Set, _without_one),
    (cst.Dict, _without_one),
    (cst.BinaryOperation, _one_of_two),
)


def _compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def _scopes(source: str) -> list[tuple[range, str]]:
    """The lines of each function and class, the innermost last."""

    def walk(nodes: Iterable[ast.AST], path: str) -> Iterator[tuple[range, str]]:
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{path}.{node.name}" if path else node.name
                yield range(node.lineno, (node.end_lineno or node.lineno) + 1), name
                yield from walk(node.body, name)

    return list(walk(ast.parse(source).body, ""))


def _mutant(module: str, source: str, text: str, scopes: list[tuple[range, str]]) -> Mutant:
    before, after = source.splitlines(), text.splitlines()
    first = _alike(before, after)
    rest = _alike(before[first:][::-1], after[first:][::-1])
    was, now = before[first : len(before) - rest], after[first : len(after) - rest]
    where = [name for lines, name in scopes if first + 1 in lines]
    return Mutant(module, where[-1] if where else "", _joined(was), _joined(now), text)


def _alike(some: list[str], others: list[str]) -> int:
    """How many lines two texts have in common from the first one on."""
    pairs = enumerate(zip(some, others, strict=False))
    return next((n for n, (one, other) in pairs if one != other), min(len(some), len(others)))


def _joined(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines)
