//go:build !unix

package container_test

import "errors"

func mkfifo(string) error { return errors.ErrUnsupported }
