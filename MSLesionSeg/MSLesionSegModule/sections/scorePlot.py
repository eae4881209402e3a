"""Scores during training as a plot in the scene, shown by a plot view of the panel."""

import slicer
import vtk
from slicer.i18n import tr as _

_SERIES = {"validation_dice": (0.0, 0.45, 0.70), "validation_f1": (0.84, 0.37, 0.0), "loss": (0.5, 0.5, 0.5)}
_NAME = "MSLesionSeg training"


class ScorePlot:
    """Grows with every score. Its nodes are made when the first one comes, and again after the scene was closed.

    Args:
        widget: a qMRMLPlotWidget.
    """

    def __init__(self, widget) -> None:
        self._widget = widget
        self._points: dict[str, list[tuple[float, float]]] = {}
        self._tables: dict[str, str] = {}
        self._chart = ""

    def clear(self) -> None:
        """Begin a new plot."""
        self._points = {}
        for nodeId in (*self._tables.values(), self._chart):
            node = slicer.mrmlScene.GetNodeByID(nodeId) if nodeId else None
            if node is not None:
                slicer.mrmlScene.RemoveNode(node)
        self._tables, self._chart = {}, ""

    def add(self, name: str, step: float, value: float) -> None:
        """Add a point of one of the known scores; others are not shown."""
        if name not in _SERIES:
            return
        self._points.setdefault(name, []).append((step, value))
        chart = self._chartNode()
        table = slicer.mrmlScene.GetNodeByID(self._tables.get(name, ""))
        if table is None:
            table = self._addSeries(chart, name)
        self._fill(table, self._points[name])

    def _chartNode(self):
        chart = slicer.mrmlScene.GetNodeByID(self._chart) if self._chart else None
        if chart is not None:
            return chart
        self._tables = {}
        chart = self._temporary("vtkMRMLPlotChartNode")
        view = slicer.vtkMRMLPlotViewNode()
        view.SetName(_NAME)
        view.SetSingletonTag("MSLesionSeg")
        view.SetLayoutName("MSLesionSeg")
        # a view with an owner is left alone by Slicer's layout manager
        view.SetAndObserveParentLayoutNodeID(chart.GetID())
        view = slicer.mrmlScene.AddNode(view)
        chart.SetTitle(_("Validation during training"))
        chart.SetXAxisTitle(_("Step"))
        chart.SetYAxisTitle(_("Score"))
        chart.SetYAxisRangeAuto(True)
        view.SetPlotChartNodeID(chart.GetID())
        view.SetSaveWithScene(False)
        self._widget.setMRMLPlotViewNode(view)
        self._chart = chart.GetID()
        return chart

    def _addSeries(self, chart, name: str):
        table = self._temporary("vtkMRMLTableNode")
        for column in ("step", name):
            array = vtk.vtkDoubleArray()
            array.SetName(column)
            table.AddColumn(array)
        series = self._temporary("vtkMRMLPlotSeriesNode")
        series.SetName(name.replace("_", " "))
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName("step")
        series.SetYColumnName(name)
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle)
        series.SetColor(*_SERIES[name])
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
        self._tables[name] = table.GetID()
        return table

    def _fill(self, table, points) -> None:
        wasModifying = table.StartModify()
        rows = table.GetTable()
        rows.SetNumberOfRows(len(points))
        for index, values in enumerate(points):
            for column, value in enumerate(values):
                rows.SetValue(index, column, vtk.vtkVariant(float(value)))
        rows.Modified()
        table.EndModify(wasModifying)

    def _temporary(self, kind: str):
        node = slicer.mrmlScene.AddNewNodeByClass(kind, _NAME)
        node.SetSaveWithScene(False)
        return node
