module isolab/languages

go 1.24
