"""Slicer's ``SampleData``: what a module may register there, checked as Slicer checks it."""

from __future__ import annotations

import importlib
import os
import sys
import types

import slicer


class SampleDataSource:
    """One data set. Whatever brings it, Slicer wants as many addresses as file names, node names and the rest."""

    def __init__(self, sampleName, uris, fileNames, nodeNames, checksums, customDownloader):
        if isinstance(uris, str):
            uris, fileNames, nodeNames, checksums = [uris], [fileNames], [nodeNames], [checksums]
        elif uris is not None:
            nodeNames = nodeNames or [None] * len(uris)
            checksums = checksums or [None] * len(uris)
        if not len(uris) == len(fileNames) == len(nodeNames) == len(checksums):
            raise ValueError("All fields of sample data source must have the same length")
        self.sampleName, self.customDownloader = sampleName, customDownloader
        self.uris, self.fileNames, self.nodeNames, self.checksums = uris, fileNames, nodeNames, checksums


class SampleDataLogic:
    @staticmethod
    def registerCustomSampleDataCategory(category, title):
        pass

    @staticmethod
    def registerCustomSampleDataSource(
        category,
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        customDownloader=None,
        checksums=None,
    ):
        source = SampleDataSource(sampleName, uris, fileNames, nodeNames, checksums, customDownloader)
        if not hasattr(slicer.modules, "sampleDataSources"):
            slicer.modules.sampleDataSources = {}
        sources = slicer.modules.sampleDataSources.setdefault(category, [])
        if vars(source) not in [vars(known) for known in sources]:
            sources.append(source)

    @staticmethod
    def sampleDataSourcesByCategory(category):
        return getattr(slicer.modules, "sampleDataSources", {}).get(category, [])


def provide() -> None:
    """Make ``import SampleData`` work: Slicer's own from the folder ``SLICER_SAMPLE_DATA``, or what stands here."""
    folder = os.environ.get("SLICER_SAMPLE_DATA")
    if folder:
        sys.path.append(folder)
        importlib.import_module("SampleData")
        return
    module = types.ModuleType("SampleData")
    module.SampleDataLogic, module.SampleDataSource = SampleDataLogic, SampleDataSource
    sys.modules["SampleData"] = module
