"""Renderer: crewmates in many styles, planted into scenes with exact boxes and keypoints."""
