"""A small parameterNodeWrapper: typed parameters of a scripted-module node, bound to widgets by name.

It knows the types and widgets that the panel uses and refuses all others, as Slicer's own does.
"""

from __future__ import annotations

import enum
import typing

import slicer
import vtk


class WithinRange:
    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum


def parameterNodeWrapper(kind: type) -> type:
    """Give a class of annotated fields properties that live in a parameter node."""
    hints = typing.get_type_hints(kind, include_extras=True)
    members = {"_types": hints, "_defaults": {name: getattr(kind, name, None) for name in hints}}
    for name, annotation in hints.items():
        members[name] = _property(name, annotation)
    return type(kind.__name__, (_ParameterNode,), members | {"__doc__": kind.__doc__})


def _base(annotation):
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is typing.Annotated else annotation


def _bounds(annotation):
    return next((a for a in typing.get_args(annotation)[1:] if isinstance(a, WithinRange)), None)


def _isNode(base) -> bool:
    return issubclass(base, vtk.vtkObject)


def _property(name: str, annotation):
    base, bounds = _base(annotation), _bounds(annotation)

    def read(self):
        if _isNode(base):
            return self._nodes[name]
        if not self.parameterNode.GetParameter(name) and self._defaults[name] is not None:
            write(self, self._defaults[name])  # as after the scene was closed
        text = self.parameterNode.GetParameter(name)
        if base is bool:
            return text == "True"
        return base[text] if issubclass(base, enum.Enum) else base(text)

    def write(self, value):
        if _isNode(base):
            if value is not None and not isinstance(value, base):
                raise TypeError(f"{name} takes a {base.__name__}, not {value!r}")
            self._nodes[name] = value
            self.parameterNode.SetNodeReferenceID(name, value.GetID() if value else None)
            return
        if not isinstance(value, (int, float) if base is float else base):
            raise TypeError(f"{name} takes {base.__name__}, not {value!r}")
        if bounds is not None and not bounds.minimum <= value <= bounds.maximum:
            raise ValueError(f"{name} must lie between {bounds.minimum} and {bounds.maximum}, not {value}")
        self.parameterNode.SetParameter(name, value.name if isinstance(value, enum.Enum) else str(value))

    return property(read, write)


class _ParameterNode:
    _types: typing.ClassVar[dict]
    _defaults: typing.ClassVar[dict]

    def __init__(self, parameterNode):
        object.__setattr__(self, "parameterNode", parameterNode)
        object.__setattr__(self, "_connections", {})
        for name, default in self._defaults.items():
            if default is not None and not parameterNode.GetParameter(name):
                setattr(self, name, default)
        object.__setattr__(self, "_nodes", {})
        parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, self._keepNodes, 1.0)
        self._keepNodes()

    def _keepNodes(self, *_args) -> None:
        """Nodes are looked up when the parameters change, and not again when a node comes to a loaded scene later."""
        for name, annotation in self._types.items():
            if _isNode(_base(annotation)):
                self._nodes[name] = self.parameterNode.GetNodeReference(name)

    def Modified(self) -> None:
        self.parameterNode.Modified()

    def __setattr__(self, name, value):
        if name not in self._types:
            raise AttributeError(f"there is no parameter '{name}'")
        super().__setattr__(name, value)

    def __eq__(self, other):
        return isinstance(other, _ParameterNode) and self.parameterNode is other.parameterNode

    def __hash__(self):
        return hash(self.parameterNode)

    def AddObserver(self, event, callback, *priority):
        return self.parameterNode.AddObserver(event, callback, *priority)

    def RemoveObserver(self, tag):
        self.parameterNode.RemoveObserver(tag)

    def connectGui(self, ui) -> int:
        """Bind every widget with a SlicerParameterName."""
        import connectors

        bound = []
        for widget in vars(ui).values():
            name = widget.property("SlicerParameterName")
            if name:
                annotation = self._types[name]
                connector = connectors.connect(widget, _base(annotation), _bounds(annotation))
                bound.append((name, connector))
        writing = []

        def toGui(*_args):
            writing.append(True)
            try:
                for name, connector in bound:
                    connector.write(getattr(self, name))
            finally:
                writing.pop()

        def toNode(name, connector):
            if not writing:
                wasModifying = self.parameterNode.StartModify()
                setattr(self, name, connector.read())
                self.parameterNode.EndModify(wasModifying)

        toGui()
        for name, connector in bound:
            connector.onChanged(lambda *_args, name=name, connector=connector: toNode(name, connector))
        tag = self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, toGui)
        self._connections[tag] = bound
        return tag

    def disconnectGui(self, tag) -> None:
        for _, connector in self._connections.pop(tag, ()):
            connector.disconnect()
        self.parameterNode.RemoveObserver(tag)


def parameterNodeOf(moduleName: str):
    """The parameter node of a module in this scene, made when it is missing; closing the scene only empties it."""
    node = slicer.mrmlScene.GetSingletonNode(moduleName, "vtkMRMLScriptedModuleNode")
    if node is None:
        node = slicer.vtkMRMLScriptedModuleNode()
        node.SetSingletonTag(moduleName)
        node = slicer.mrmlScene.AddNode(node)
    node.SetAttribute("ModuleName", moduleName)
    return node
