package container

// OpenArchive reads an archive that is no file.
var OpenArchive = openArchive

// IsManifest looks at the members of a text.
var IsManifest = isManifest
