//go:build !unix

package main

import "os"

func mostResident(*os.ProcessState) (bytes int64, ok bool) { return 0, false }
