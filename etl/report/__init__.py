"""The page: what the warehouse holds, as people read it who never open a terminal.

    reading  the questions, asked of the product's own views (report.sql), into small typed rows
    charts   the rows as pictures: static SVG that follows the page's colours
    page     rows and pictures into one HTML file (templates/), in which whatever the source sent is inert

Reads only the warehouse, so it works while the source is down. No cell of any record goes into it.
"""

from etl.report.page import render
from etl.report.reading import Asked, Report, read_report

__all__ = ["Asked", "Report", "read_report", "render"]
