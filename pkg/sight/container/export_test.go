package container

// OpenArchive reads an archive that is no file.
var OpenArchive = openArchive
