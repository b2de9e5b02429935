"""The leaderboard as static pages, readable without a network.

    site.py        all files of the page, by name
      front.py       the front page
      submission.py  the page of one submission
      shell.py       what all pages share: head, navigation, colour scheme
    html_table.py  a table, sortable, with shades
    plots.py       what plots show, as data that plotly draws
    drawing.py     plots as HTML: data, legend, description
    markup.py      HTML elements; every text in them is escaped
    links.py       names of files
    assets/        style sheet and script

Everything is a pure function from leaderboards to text, except for reading plotly's script from
the installed package.
"""
