"""Names of months and weekdays in six languages, as the Unicode CLDR has them.

A table, because requests are read where Babel is not installed; a test compares it with Babel's.
No name stands for two months in these languages.
"""

_MONTHS = (
    "january jan januar janvier janv enero ene janeiro gennaio gen jänner",
    "february feb februar février févr febrero fevereiro fev febbraio",
    "march mar märz mär mrz mars marzo março",
    "april apr avril avr abril abr aprile",
    "may mai mayo maio maggio mag",
    "june jun juni juin junio junho giugno giu",
    "july jul juli juillet juil julio julho luglio lug",
    "august aug août agosto ago",
    "september sep sept septembre septiembre setembro set settembre setiembre",
    "october oct oktober okt octobre octubre outubro out ottobre ott",
    "november nov novembre noviembre novembro",
    "december dec dezember dez décembre déc diciembre dic dezembro dicembre",
)
MONTHS = {word: month for month, words in enumerate(_MONTHS, start=1) for word in words.split()}
"""From a month's name, lower case and without a point, to its number."""
_WEEKDAYS = (
    "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri "
    "sat sun montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag mo di mi do fr "
    "sa so lundi mardi mercredi jeudi vendredi samedi dimanche lun mer jeu ven sam dim "
    "lunes martes miércoles jueves viernes sábado domingo mié jue vie sáb dom segunda-feira "
    "terça-feira quarta-feira quinta-feira sexta-feira segunda terça quarta quinta sexta seg ter "
    "qua qui sex lunedì martedì mercoledì giovedì venerdì sabato domenica gio sab"
)
WEEKDAYS = frozenset(_WEEKDAYS.split())
"""Names of weekdays, of which ``mar`` is missing: it is March, too."""
FILLERS = frozenset({"de", "del", "of", "the", "st", "nd", "rd", "th", "er", "do"})
"""Words between the parts of a date, and endings of ordinal numbers."""
