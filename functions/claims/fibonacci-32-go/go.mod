module fibonacci-32-go

go 1.24
