package fetch

// Abandon is what the end of the process does to a file.
func (f *NewFile) Abandon() { _ = f.file.Close() }
