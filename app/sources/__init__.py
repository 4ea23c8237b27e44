"""Files of projects, whatever they are for: git, archives, paths, stored contents, differences."""
