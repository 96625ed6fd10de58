//go:build !linux && !darwin

package fetch

import (
	"io/fs"
	"os"
)

// noFollow is empty where there is no such flag: what was opened is compared
// with what was looked at.
const noFollow = 0

func lock(*os.File) error { return nil }

// freeSpace is not known; a full disk shows when it is written to.
func freeSpace(*os.File) (int64, bool) { return 0, false }

// alone and oneName are not known here: what is on disk is hashed all the same.
func alone(fs.FileInfo) error { return nil }

func oneName(fs.FileInfo) error { return nil }
