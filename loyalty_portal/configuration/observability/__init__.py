"""What the portal says about itself: which request something belongs to, the line of each request,
and where the lines go.
"""
