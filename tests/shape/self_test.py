#!/usr/bin/env python3
"""Tests of what measures the shape: `tests/shape/self_test.py`."""

import pathlib
import tempfile
import unittest

import imports
import names
import rust
import sentences


class Workspace(unittest.TestCase):
    """A workspace of a few files in a temporary folder."""

    def files(self, **sources):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name).resolve()
        rust.ROOT = imports.ROOT = root
        for name, source in sources.items():
            path = root / "crates/a/src" / f"{name.replace('__', '/')}.rs"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")
        return rust.rust_files([])

    def circles(self, **sources):
        found = [group for crate in imports.crates(self.files(**sources)) for group in crate.circles()]
        return [["::".join(module) or "lib" for module in group] for group in found]

    def test_comments_and_literals_are_no_code(self):
        source = 'fn f() {\n    /* } /* } */ */ let a = "{\\"{"; let b = r#"}"#;\n'
        source += "    let c = '{'; // }\n    g::<'a>(a)\n}\n"
        (file,) = self.files(lib=source).values()
        self.assertEqual([(5, "crates/a/src/lib.rs:1 f", False)], list(file.functions()))

    def test_functions_without_a_body_are_not_counted(self):
        source = "trait T {\n    fn a(&self) -> [u8; 2];\n    fn b(&self) {}\n}\nmod tests {\n    fn c() {\n    }\n}\n"
        (file,) = self.files(lib=source).values()
        found = [(lines, name.split()[1], test) for lines, name, test in file.functions()]
        self.assertEqual([(1, "b", False), (2, "c", True)], found)

    def test_types_are_declarations_and_not_associated(self):
        source = "pub struct A;\nenum B {}\ntype C = u8;\nimpl Iterator for A {\n    type Item = u8;\n}\ntrait D {}\n"
        (file,) = self.files(lib=source).values()
        self.assertEqual({"A", "B", "C", "D"}, {name for name, _ in file.types()})

    def test_a_child_that_needs_its_parent_is_a_circle_if_the_parent_needs_it(self):
        child = "use super::A;\npub struct B(A);\n"
        self.assertEqual([], self.circles(lib="mod b;\npub struct A;\npub use b::B;\n", b=child))
        self.assertEqual([["lib", "b"]], self.circles(lib="mod b;\npub struct A;\nfn f(_: b::B) {}\n", b=child))
        excused = "// A circle: B is a part of A.\n" + child
        self.assertEqual([], self.circles(lib="mod b;\npub struct A;\nfn f(_: b::B) {}\n", b=excused))

    def test_a_name_leads_to_the_file_that_it_comes_from(self):
        lib = "mod a;\nmod b;\nmod c;\npub use b::B;\n"
        self.assertEqual([], self.circles(lib=lib, a="use crate::B;\n", b="pub struct B;\n", c="use crate::a::A;\n"))
        b = "use crate::{c::C};\npub struct B;\n"
        circle = self.circles(lib=lib, a="use crate::B;\n", b=b, c="use crate::a::A;\n")
        self.assertEqual([["a", "b", "c"]], circle)

    def test_super_of_an_inline_module_is_the_file(self):
        lib = "mod a;\nfn f() { a::g() }\n"
        self.assertEqual([], self.circles(lib=lib, a="mod tests {\n    use super::*;\n}\n"))
        self.assertEqual([["lib", "a"]], self.circles(lib=lib, a="use super::*;\n"))

    def test_who_may_see_a_function_is_no_need(self):
        a = "mod b;\nfn f() { b::g() }\n"
        self.assertEqual([], self.circles(lib="mod a;\n", a=a, a__b="pub(in crate::a) fn g() {}\n"))


class Words(unittest.TestCase):
    def test_the_last_word_of_a_type_is_a_noun(self):
        for name, fault in [
            ("Told", "participle"),
            ("OwnLearned", "participle"),
            ("Staging", "gerund"),
            ("Ready", "adjective"),
            ("ReadyNode", None),
            ("RandomSeed", None),
            ("FrontierUpdate", None),
        ]:
            self.assertEqual(fault, names.fault_of(name), name)

    def test_sentences_end_with_a_stop(self):
        text = "# A heading\n\nOne two, `three four` [five](six). Seven: eight\nnine?\n\n- Ten.\n\n| a | table |\n"
        self.assertEqual([4, 3, 1], [length for length, _ in sentences.sentences(text)])


if __name__ == "__main__":
    unittest.main()
