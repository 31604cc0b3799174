-- sqlstate: 58P01
SELECT lo_import('/nonexistent/logo.png');
