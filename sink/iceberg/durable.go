package iceberg

import (
	"context"
	"errors"
	"net/url"
	"os"
	"sync"

	iceio "github.com/apache/iceberg-go/io"
)

// durableFS is the local file system, with files that are on the disk once they are closed. The library's own leaves
// them in the page cache, and after a loss of power the catalog, which does wait for the disk, would name files that
// are not there.
type durableFS struct{ iceio.LocalFS }

// A durableFile is on the disk when Close returns.
type durableFile struct{ iceio.FileWriter }

func (f durableFile) Close() error {
	var err error
	if file, ok := f.FileWriter.(*os.File); ok {
		err = file.Sync()
	}
	return errors.Join(err, f.FileWriter.Close())
}

// Create implements iceio.WriteFileIO.
func (fs durableFS) Create(name string) (iceio.FileWriter, error) {
	f, err := fs.LocalFS.Create(name)
	if err != nil {
		return nil, err
	}
	return durableFile{f}, nil
}

// WriteFile implements iceio.WriteFileIO.
func (fs durableFS) WriteFile(name string, content []byte) error {
	f, err := fs.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// useDurableFiles makes the library's catalogs and tables use durableFS for local files, in the whole process.
var useDurableFiles = sync.OnceFunc(func() {
	for _, scheme := range []string{"file", ""} {
		iceio.Unregister(scheme)
		iceio.Register(scheme, func(context.Context, *url.URL, map[string]string) (iceio.IO, error) { return durableFS{}, nil })
	}
})
