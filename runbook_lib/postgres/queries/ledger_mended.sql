-- A file that was mended behind its committed part goes on with its new text: that is what the row is of.
UPDATE {} SET checksum = %(checksum)s WHERE id = %(id)s
