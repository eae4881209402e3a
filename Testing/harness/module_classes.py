"""Slicer's classes of scripted modules, and its typed parameter nodes, as far as the module uses them."""

from __future__ import annotations

import sys
import types
import unittest

import parameters
import slicer
from scene import MODULE


def provide() -> None:
    wrapper = types.ModuleType("slicer.parameterNodeWrapper")
    wrapper.parameterNodeWrapper = parameters.parameterNodeWrapper
    wrapper.WithinRange = parameters.WithinRange
    sys.modules["slicer.parameterNodeWrapper"] = slicer.parameterNodeWrapper = wrapper

    class ScriptedLoadableModule:
        def __init__(self, parent):
            self.parent = parent

    class ScriptedLoadableModuleWidget:
        def __init__(self, parent=None):
            self.moduleName = type(self).__name__.removesuffix("Widget")
            self.parent = parent
            self.layout = parent.layout()

        def setup(self):
            pass

        def resourcePath(self, name):
            return str(MODULE / "Resources" / name)

    class ScriptedLoadableModuleLogic:
        def __init__(self):
            self.moduleName = type(self).__name__.removesuffix("Logic")

        def getParameterNode(self):
            return parameters.parameterNodeOf(self.moduleName)

    class ScriptedLoadableModuleTest(unittest.TestCase):
        def __init__(self):
            super().__init__("runTest")

        def delayDisplay(self, text, msec=0):
            pass

    module = types.ModuleType("slicer.ScriptedLoadableModule")
    for kind in (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    ):
        setattr(module, kind.__name__, kind)
    sys.modules["slicer.ScriptedLoadableModule"] = slicer.ScriptedLoadableModule = module
