package engine

import "errors"

// keepSums begins to keep the sums of tables on disk.
func keepSums(e *Engine) {
	book := e.fs.sums
	if book == nil {
		return
	}
	names, err := tablesOf(e)
	if err = errors.Join(err, book.Load(names)); err != nil {
		e.options.Logger.Warn("the sums of tables are not known: the next backup reads the tables", "dir", e.dir, "error", err)
	}
	go book.Run() // until its Stop
}

// tablesOf are the files of the tables that the engine's version has.
func tablesOf(e *Engine) (names []string, err error) {
	err = e.fail.guard(func() error {
		levels, err := e.db.SSTables()
		for _, level := range levels {
			for _, table := range level {
				names = append(names, tableName(uint64(table.BackingSSTNum)))
			}
		}
		return err
	})
	return names, err
}
