package layout

import (
	"io/fs"
	"syscall"
	"time"
)

// changeTime is when an inode was changed last (inode(7), ctime), which no program can set.
func changeTime(info fs.FileInfo) (t time.Time, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}, false
	}
	return time.Unix(stat.Ctim.Unix()), true
}
