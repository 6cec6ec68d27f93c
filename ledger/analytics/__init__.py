"""What happened, for people; reads only. Empty until the figures of the network are built."""
