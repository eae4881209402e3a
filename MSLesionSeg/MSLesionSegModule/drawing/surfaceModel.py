"""A model of surfaces in 3D views that nobody edits and no scene keeps."""

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk

NAME = "MSLesionSeg surfaces"


def addModel(volumeNode):
    """Add an empty model in the place of a volume."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", NAME)
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetSaveWithScene(False)
    node.GetDisplayNode().SetVisibility2D(False)
    node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    return node


def surfaceOf(mask: np.ndarray, affine: np.ndarray, rounds: int) -> vtk.vtkPolyData:
    """The smoothed surface of a mask (i, j, k) whose voxels lie in mm by ``affine``; ``rounds`` of smoothing."""
    padded = np.pad(mask, 1).astype(np.float32)
    image = vtk.vtkImageData()
    image.SetDimensions(padded.shape)
    image.SetOrigin(-1.0, -1.0, -1.0)
    image.GetPointData().SetScalars(numpy_to_vtk(padded.ravel(order="F"), deep=True))
    edges = vtk.vtkFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, 0.5)
    edges.ComputeNormalsOff()
    placed = vtk.vtkTransform()
    placed.SetMatrix(np.asarray(affine, float).ravel())
    inPlace = vtk.vtkTransformPolyDataFilter()
    inPlace.SetInputConnection(edges.GetOutputPort())
    inPlace.SetTransform(placed)
    smooth = vtk.vtkWindowedSincPolyDataFilter()
    smooth.SetInputConnection(inPlace.GetOutputPort())
    smooth.SetNumberOfIterations(rounds)
    smooth.SetPassBand(0.1)
    smooth.NormalizeCoordinatesOn()
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputConnection(smooth.GetOutputPort())
    normals.SplittingOff()
    normals.Update()
    return normals.GetOutput()
